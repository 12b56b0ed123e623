# SPDX-License-Identifier: Apache-2.0
# Programs that others wrote, which Debian builds with Open MPI: the same output with the library as without.
find_library(PRELOAD_FFTW_MPI fftw3_mpi)
find_library(PRELOAD_FFTW fftw3)
find_path(PRELOAD_FFTW_INCLUDE fftw3-mpi.h)
find_program(PRELOAD_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)  # Debian's, which sees its packages
mark_as_advanced(PRELOAD_FFTW_MPI PRELOAD_FFTW PRELOAD_FFTW_INCLUDE PRELOAD_PYTHON)

# preload_same_output(name program...)
function(preload_same_output name)
  add_test(NAME preload_openmpi_${name}
           COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/same_output.sh" $<TARGET_FILE:banyan_preload_openmpi>
                   ${PRELOAD_LAUNCHER_openmpi} --oversubscribe --allow-run-as-root -n 4 env -- ${ARGN})
  set_tests_properties(preload_openmpi_${name} PROPERTIES LABELS preload TIMEOUT 300 PROCESSORS 4)
endfunction()

if(PRELOAD_FFTW_MPI AND PRELOAD_FFTW AND PRELOAD_FFTW_INCLUDE)
  add_executable(preload_fftw fftw_program.c)
  target_include_directories(preload_fftw SYSTEM PRIVATE "${PRELOAD_FFTW_INCLUDE}")
  target_compile_definitions(preload_fftw PRIVATE OMPI_SKIP_MPICXX)
  target_link_libraries(preload_fftw PRIVATE "${PRELOAD_FFTW_MPI}" "${PRELOAD_FFTW}" m PkgConfig::preload_test_openmpi)
  preload_same_output(fftw $<TARGET_FILE:preload_fftw>)
else()
  message(STATUS "no test of the LD_PRELOAD library with FFTW: libfftw3-mpi-dev is not installed")
endif()

if(PRELOAD_PYTHON)
  execute_process(COMMAND "${PRELOAD_PYTHON}" -c "import mpi4py" RESULT_VARIABLE missing OUTPUT_QUIET ERROR_QUIET)
endif()
if(PRELOAD_PYTHON AND missing EQUAL 0)
  preload_same_output(mpi4py "${PRELOAD_PYTHON}" -B "${CMAKE_CURRENT_SOURCE_DIR}/mpi4py_program.py")
else()
  message(STATUS "no test of the LD_PRELOAD library with mpi4py: python3-mpi4py is not installed")
endif()
